"""From predictions to figures with intervals, beside what volatility alone says."""
