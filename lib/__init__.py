"""The pipeline of the course: tweets -> producer -> Kafka topic -> trends -> consumer -> live table.

Importing this package costs nothing and needs neither Java nor a broker.
"""
