// What a classifier says all over a square, and the points that it learns from.
const [ONE, OTHER] = [[230, 120, 40], [50, 120, 200]]; // orange and blue, which the colour-blind can tell apart

export function drawBoundary(canvas, { scores, points, labels, box, text }) {
  const [left, bottom, right, top] = box, rows = scores.length, columns = scores[0].length;
  canvas.width = canvas.height = 480;
  canvas.ariaLabel = `The decision boundary. ${text}`;
  const [cell, pen] = [480 / columns, canvas.getContext("2d")];
  scores.forEach((row, i) => row.forEach((score, j) => {
    const sure = Math.min(1, Math.abs(score)), colour = score > 0 ? ONE : OTHER;
    pen.fillStyle = `rgb(${colour.map((part) => 255 - (255 - part) * (0.15 + 0.55 * sure))})`;
    pen.fillRect(Math.floor(j * cell), Math.floor(480 - (i + 1) * (480 / rows)), Math.ceil(cell), Math.ceil(480 / rows));
  }));
  points.forEach(([x, y], i) => {
    pen.beginPath();
    pen.arc(480 * (x - left) / (right - left), 480 * (top - y) / (top - bottom), 6, 0, 7);
    pen.fillStyle = `rgb(${labels[i] > 0 ? ONE : OTHER})`;
    pen.fill();
    pen.stroke();
  });
  pen.fillStyle = "#1c1f24";
  pen.font = "16px system-ui, sans-serif";
  pen.fillText(text, 10, 24);
}
