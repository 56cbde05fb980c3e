"""The layout: the street's plan, its ground, its plots, and who is in it."""
