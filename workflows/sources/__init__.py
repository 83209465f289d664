"""Where outside facts come from: cost files today; other systems as they are added. Nothing here knows the database."""
