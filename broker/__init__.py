"""The workload manager: request queue, information supermarket, matchmaker, submission and monitoring."""
