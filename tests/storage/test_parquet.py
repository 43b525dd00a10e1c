"""Parquet as every reader, and the layer's Arrow, can read it."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from montecarlo.storage.parquet import to_parquet


def test_snappy_only_and_dictionaries_where_texts_repeat() -> None:
    table = pa.table({"id": ["a", "b", "c"], "kind": pa.array(["x", "x", "y"]).dictionary_encode()})
    data = to_parquet(table, 2)
    assert pq.read_table(io.BytesIO(data)).to_pylist() == table.to_pylist()
    metadata = pq.ParquetFile(io.BytesIO(data)).metadata
    assert metadata.num_row_groups == 2
    columns = [metadata.row_group(0).column(i) for i in range(2)]
    assert {column.compression for column in columns} == {"SNAPPY"}
    assert [column.has_dictionary_page for column in columns] == [False, True]
