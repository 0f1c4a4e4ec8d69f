"""Reads SteerGrid result files: labelled arrays, metrics, figures, tables, one page.

`open_results(path)` gives a ResultFile, `summarise(results)` every statistic; figures, tables and the page are drawn
from that summary. Needs nothing but the file.
"""

from .h5 import ResultFileError
from .results import ResultFile, open_results
from .summary import SweepSummary, summarise

__all__ = ["ResultFile", "ResultFileError", "SweepSummary", "open_results", "summarise"]
