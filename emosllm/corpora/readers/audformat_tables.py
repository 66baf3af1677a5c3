"""Load the header and the tables of an audformat database without running code that the database contains.

`audformat.Database.load` reads `db.yaml` with a YAML loader that can construct any Python object, and prefers a
pickled table (`db.<table>.pkl`) to the CSV or Parquet file beside it. Opening a pickle can run code too. This module
reads the header as plain YAML and ignores pickled tables. It refuses a table that exists only as a pickle.
"""

import shutil
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from emosllm.errors import UserError
from emosllm.extras import extra
from emosllm.safe_yaml import YamlError, read_yaml

#: Values that a header may hold, which may list the labels of thousands of speakers.
MOST_VALUES = 500_000
#: Endings of table files, the preferred one first, in audformat's own order.
SUFFIXES = (".parquet", ".csv")


def load_database(root: Path) -> Any:
    """Load a database with all its tables.

    Args:
        root: the folder with `db.yaml`.

    Returns:
        An `audformat.Database`. Files in its tables are named relative to `root`.

    Raises:
        UserError: the package is not installed, the header or a table is broken, the header holds more than plain
            YAML, or a table has no CSV or Parquet file.
    """
    with extra("corpora", "an audformat database"):
        audformat = import_module("audformat")  # imports pandas, therefore only when it is needed
    try:
        header = read_yaml(root / "db.yaml", f"{root / 'db.yaml'} is", MOST_VALUES)
        database = audformat.Database.load_header_from_yaml(header)
        # Schemes may take their labels from miscellaneous tables: these come first.
        for name in (*database.misc_tables, *database.tables):
            _load_table(database[name], root, name)
    except YamlError as error:
        raise UserError(f"{root} is a broken audformat database ({error.reason}): get it again") from None
    except UserError:
        raise
    except Exception as error:  # whatever audformat, pandas and pyarrow raise
        line = " ".join(str(error).split())
        raise UserError(f"{root} is a broken audformat database ({line[:200]}): get it again") from None
    return database


def _load_table(table: Any, root: Path, name: str) -> None:
    """Load a table from a copy in a folder without pickles, as audformat would open a pickle that lies beside it."""
    source = _table_file(root, name)
    with TemporaryDirectory() as folder:
        shutil.copyfile(source, Path(folder) / f"table{source.suffix}")
        table.load(str(Path(folder) / "table"))


def _table_file(root: Path, name: str) -> Path:
    for suffix in SUFFIXES:
        if (path := root / f"db.{name}{suffix}").is_file():
            return path
    pickled = root / f"db.{name}.pkl"
    if pickled.is_file():
        raise UserError(f"{pickled} is a pickle, which can run code when opened: save the table as CSV or Parquet")
    raise UserError(f"{root} has no file for the table {name!r}: expected db.{name}.csv or db.{name}.parquet")
