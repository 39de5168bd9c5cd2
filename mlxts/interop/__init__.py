"""Export of models, weights and predictions to other libraries, and import of their models."""
