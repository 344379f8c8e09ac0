"""Tools that every room uses. They know none of the rooms."""
