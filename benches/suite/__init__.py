"""What `benches/run` is made of; the standard library is all it needs."""
