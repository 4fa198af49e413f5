"""Runs in a zip file, to be handed on."""
