"""What a program was made for, and whether it still fits: the arguments of a call are a structure and numbers
(`arguments`), and a function is what it reaches by name (`reach`)."""
