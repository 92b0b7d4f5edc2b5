from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("hotels", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name="search",
            name="way",
            field=models.CharField(
                choices=[
                    ("one-after-another", "One after another"),
                    ("thread-pool", "A thread per call"),
                    ("gathered", "asyncio.gather"),
                    ("adrf", "ADRF AsyncAPIView"),
                    ("drf", "DRF APIView"),
                    ("http-gather", "http.gather"),
                    ("http-agather", "http.agather"),
                ],
                max_length=20,
            ),
        ),
    ]
