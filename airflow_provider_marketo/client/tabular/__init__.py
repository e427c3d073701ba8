"""Turn CSV as Marketo writes it into verified, typed files, in constant memory."""
