"""The database: engines, schema, models, repositories, the unit of work."""
