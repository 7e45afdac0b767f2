from fogbank.kernel.telemetry import Counted, Measure

__all__ = ["Counted", "Measure"]
