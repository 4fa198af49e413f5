"""What the page of a comparison shows, part by part."""
