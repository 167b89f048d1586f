"""What the counter's rules are, as pure functions: no input, no output, no clock, no library of the edges."""
