"""PatchTST in MLX, and the shapes that meet a parameter budget exactly."""
