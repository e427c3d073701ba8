"""Reference data of an instance as flat typed tables: fields, types, programs, e-mails, lists and more."""
