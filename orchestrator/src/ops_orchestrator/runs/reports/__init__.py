"""What can be made of a stored run for those who are handed it. Made from the run alone: the same run gives the same bytes."""
