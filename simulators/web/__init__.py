"""What the pages of the simulators share: their look, their scripts and how they are served."""
