"""What all tables share: their metadata and the few kinds of column."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column of type INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")


def row_id() -> Column[int]:
    return Column("id", RowId, primary_key=True, autoincrement=True)


def ms(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def number(name: str, *, nullable: bool = False, default: str | None = None) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable, server_default=default)


def octets(name: str, *, nullable: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=nullable)


def of(name: str, target: str, *, nullable: bool = False) -> Column[int]:
    """A reference to a numbered row of another table."""
    return Column(name, RowId, ForeignKey(target + ".id"), nullable=nullable)


def id_of(name: str, target: str, *, nullable: bool = False, key: bool = False) -> Column[str]:
    """A reference to a row with a text id."""
    return Column(name, Text, ForeignKey(target + ".id"), nullable=nullable, primary_key=key)
