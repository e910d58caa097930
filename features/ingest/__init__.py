"""Raw files into facts by the user's SQL, row by row checked; and what is wrong with a feed."""

from features.ingest.check_source import SourceReport, check_source
from features.ingest.form import IngestError
from features.ingest.ingest import append_facts, ingest

__all__ = ["IngestError", "SourceReport", "append_facts", "check_source", "ingest"]
