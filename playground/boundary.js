// What a classifier says all over a square, and the points that it learns from.
const SIZE = 480;
const [ONE, OTHER] = [[230, 120, 40], [50, 120, 200]]; // orange and blue, which the colour-blind can tell apart

export function drawBoundary(canvas, { scores, points, labels, box, text, line }) {
  const [left, bottom, right, top] = box, rows = scores.length, columns = scores[0].length;
  canvas.width = canvas.height = SIZE; // empties it, too
  canvas.dataset.line = line;
  canvas.ariaLabel = `The decision boundary. ${text}`;
  const pen = canvas.getContext("2d"), [width, height] = [SIZE / columns, SIZE / rows];
  scores.forEach((row, i) => row.forEach((score, j) => { // from -1 to 1, or null for nan; the lowest row comes first
    const sure = 0.15 + 0.55 * Math.abs(score), colour = score > 0 ? ONE : OTHER;
    pen.fillStyle = score === null ? "#eeeeee" : `rgb(${colour.map((part) => 255 - (255 - part) * sure)})`;
    pen.fillRect(Math.floor(j * width), Math.floor(SIZE - (i + 1) * height), Math.ceil(width), Math.ceil(height));
  }));
  points.forEach(([x, y], i) => {
    pen.beginPath();
    pen.arc((SIZE * (x - left)) / (right - left), (SIZE * (top - y)) / (top - bottom), 6, 0, 7);
    pen.fillStyle = `rgb(${labels[i] ? ONE : OTHER})`;
    pen.fill();
    pen.stroke();
  });
  pen.fillStyle = "#1c1f24";
  pen.font = "16px system-ui, sans-serif";
  pen.fillText(text, 10, 24, SIZE - 20); // narrower where it is long
}
