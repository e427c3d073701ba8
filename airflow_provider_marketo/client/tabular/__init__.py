"""CSV as Marketo writes it, made into verified and typed files, in constant memory."""
