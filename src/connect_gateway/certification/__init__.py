"""Certification of a till: it sells while the network fails, and is judged by what it did, not by what it says.

`exercises` lists what a till goes through, `front` is the network that misbehaves, `driving` asks the till to do
a job, `judging` reads the recorded traffic, `reports` and `page` tell. `protocol/CERTIFICATION.md` is for vendors.
"""
