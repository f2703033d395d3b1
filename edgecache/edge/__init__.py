"""The edge itself: the life of a request (flow), of a question to the origin (fetch), and how answers reach clients (deliver, answers)."""
