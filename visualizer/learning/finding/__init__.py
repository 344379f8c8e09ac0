"""Finding people in still pictures, and how they hold themselves."""
