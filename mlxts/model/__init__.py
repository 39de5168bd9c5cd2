"""PatchTST by hand in MLX, and the shapes that make a parameter budget true."""
