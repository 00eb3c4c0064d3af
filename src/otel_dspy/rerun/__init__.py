"""Work with the record of an optimization: its best program, its language model calls answered again."""
