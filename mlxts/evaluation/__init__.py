"""From predictions to figures with intervals, beside what simple models say."""
