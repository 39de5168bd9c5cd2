"""What `import mlxts` offers beyond models and features: runs trained, scored and shown."""
