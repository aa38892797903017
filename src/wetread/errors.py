"""Every error that wetread raises on purpose; the command line makes each a line and exit code 2.

    WetreadError
      InputError               what the caller gave is missing or wrong
        MissingPathError       a file or folder that must exist does not
        ImageError             an image file that is unreadable, damaged or too large
        TableError             a CSV, list or Parquet file without the needed columns or values
          UnknownLabelError    a label that is none of the 15
          DuplicateImageError  the same image index twice
          PatientOverlapError  a patient in two splits
        CacheError             a cache that is absent, incomplete or does not match its manifest
        RejectedFilmsError     more unreadable films than allowed
        RecipeError            a recipe or a `--set` with an unknown or mistyped field
        WeightsError           initial weights that are absent or belong to another model
        RunError               a run folder that is absent, unfinished or in the way
        BundleError            a bundle that is absent, damaged or of another version
        StatisticsError        labels and scores that do not match, or are not finite
        ReadingRoomError       a reading room that cannot be, or that cannot keep up
        ConfigError            a node's configuration with a setting that is unknown or wrong
      DivergedError            a training whose loss is no longer a number
      OutputError              a result cannot be written (disk full, no permission)
      StoreError               the node's database cannot be reached or written
      DeliveryError            an archive cannot be reached, or does not take a result

A message says what was received, what was expected and which file, never a patient's data.
"""

from __future__ import annotations


def first_line(error: Exception) -> str:
    """Return the first line of another library's message, for a line of ours."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class WetreadError(Exception):
    """Root of the tree; `exit_code` is what the command line returns."""

    exit_code = 2


class InputError(WetreadError): ...


class MissingPathError(InputError): ...


class ImageError(InputError): ...


class TableError(InputError): ...


class UnknownLabelError(TableError): ...


class DuplicateImageError(TableError): ...


class PatientOverlapError(TableError): ...


class CacheError(InputError): ...


class RejectedFilmsError(InputError): ...


class RecipeError(InputError): ...


class WeightsError(InputError): ...


class RunError(InputError): ...


class BundleError(InputError): ...


class StatisticsError(InputError): ...


class ReadingRoomError(InputError): ...


class ConfigError(InputError): ...


class DivergedError(WetreadError): ...


class OutputError(WetreadError): ...


class StoreError(WetreadError): ...


class DeliveryError(WetreadError): ...
