"""The plumbing of the course, in the order of a tweet's way.

tweets -> producer -> [Kafka topic] -> trends -> consumer -> live_table

Importing this package costs nothing and needs neither Java nor a broker.
"""
