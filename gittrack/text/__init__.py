"""Records, tables and charts as text for people and programs. Nothing here prints, reads or asks git.

What comes from a ledger is untrusted: `text.clean` stands between it and every terminal,
`table.markdown_cell` and `table.csv_cell` between it and every document. A terminal's tables are
laid out by `table` and those of documents by `tables`, on tabulate, which costs more
to import than `gittrack log` may take, and which counts the bytes of colours and of hostile text as width.
"""
