"""The only writer: commands are gathered, committed in groups, and decided by `domain/` under row locks."""
