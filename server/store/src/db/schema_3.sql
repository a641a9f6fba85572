INSERT INTO settings(name, value) VALUES ('cursor_key', lower(hex(randomblob(32))));
