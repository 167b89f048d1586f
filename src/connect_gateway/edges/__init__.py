"""One file for each counterparty: parse and authenticate, call one use case, render."""
