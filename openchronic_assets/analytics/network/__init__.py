"""Networks of providers who share patients: projection, backbone, communities, measures.

Source: indicators 4.11 and 6 of the domain's reference; each function names its own.
"""
