"""What `report` is made of: the rows and the images of its page."""
