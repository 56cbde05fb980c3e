"""The page that a training leaves: its log, curves and pictures as one HTML file."""
