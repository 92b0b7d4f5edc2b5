import os
import threading


def say(text):
    """One line in one write, so that those of two processes or threads cannot mix."""
    os.write(1, f"said: {text} ({threading.current_thread().name.partition(' ')[0]})\n".encode())
