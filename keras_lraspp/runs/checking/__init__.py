"""What the data doctor shows: a table and a sheet of samples."""
