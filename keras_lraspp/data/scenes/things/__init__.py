"""What can be drawn: vehicles, people, plants, furniture, buildings."""
