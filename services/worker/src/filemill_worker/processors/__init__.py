"""What a worker does for a task, once it has its options and its input."""

from filemill_worker.errors import ProcessingError
from filemill_worker.processors.job import Job, Product, Report
from filemill_worker.processors.table import Processors

__all__ = ["Job", "ProcessingError", "Processors", "Product", "Report"]
