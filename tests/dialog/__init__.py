"""Tests as conversations: README tells how to write them."""
