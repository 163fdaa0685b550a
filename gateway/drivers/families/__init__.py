"""What a driver is made of where one file is not enough: the records, packets and talk of its family."""
