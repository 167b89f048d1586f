"""How long a till waits, retries and gives up; the reasons are in `protocol/CERTIFICATION.md`."""

from dataclasses import dataclass

JITTER = 0.25
"""A wait may be longer by this part of it, at random."""

SLACK_S = 1.0
"""What a busy machine and the start of a program may add to a measured time."""

START_S = 15.0
"""What a till may need to start and to end, beside the job itself."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The till's declared figures in seconds; the defaults are those of the specification (TIL-2, TIL-4, TIL-5)."""

    timeout_s: float = 5.0
    give_up_s: float = 30.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 4.0

    @property
    def reversal_s(self) -> float:
        """How long a reversal is sent again while the customer waits."""
        return self.give_up_s / 2

    @property
    def job_s(self) -> float:
        """The longest that one job of the clerk may take: sale, inquiry and reversal with their last attempts."""
        return self.give_up_s + self.reversal_s + 3 * self.timeout_s

    def wait_s(self, number: int) -> float:
        """The wait after the attempt with this number, which counts from 0, without its random part."""
        return min(self.first_wait_s * 2.0 ** min(number, 30), self.longest_wait_s)

    def as_json(self) -> dict[str, float]:
        """For the report."""
        return {
            "timeoutS": self.timeout_s,
            "giveUpS": self.give_up_s,
            "firstWaitS": self.first_wait_s,
            "longestWaitS": self.longest_wait_s,
        }


SPECIFIED = Figures()
