"""MLflow's model registry: what it holds, and what is written into it."""
