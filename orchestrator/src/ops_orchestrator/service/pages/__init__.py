"""The pages for people, at the addresses of the API: whoever prefers HTML gets them."""
