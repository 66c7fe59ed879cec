"""Tables of the package `datafusion`."""

from __future__ import annotations

from . import _native


class AvroTableFactory:
    """Makes `CREATE EXTERNAL TABLE .. STORED AS AVRO` of the package `datafusion` read Avro files by this one.

    >>> context.register_table_factory("AVRO", avro_sql.AvroTableFactory())
    >>> context.sql("CREATE EXTERNAL TABLE events STORED AS AVRO LOCATION 'events/'")
    """

    def __datafusion_table_provider_factory__(self, session: object) -> object:
        check_version()
        return _native.table_factory()


def check_version() -> None:
    """Raises ImportError if the installed `datafusion` has another binary interface than this package.

    The interface is that of a major version. Its own check reads a field whose place may have changed.
    """
    import datafusion

    ours, theirs = (version.split(".")[0] for version in (_native.__datafusion_version__, datafusion.__version__))
    if ours != theirs:
        raise ImportError(
            f"this version of avro-sql makes tables for datafusion {ours}, and {datafusion.__version__} is installed;"
            " `context.from_arrow(scan)` takes the rows of any version"
        )
