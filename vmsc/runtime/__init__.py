"""What generated codecs import. Imports nothing else of vmsc, and neither lark nor jinja2."""
