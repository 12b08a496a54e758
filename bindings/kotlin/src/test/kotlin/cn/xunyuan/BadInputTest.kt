package cn.xunyuan

import java.io.File
import java.net.ServerSocket
import java.nio.charset.CharacterCodingException
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger
import kotlin.concurrent.thread
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlinx.coroutines.runBlocking
import org.junit.AfterClass
import org.junit.Assume.assumeTrue
import org.junit.BeforeClass
import org.junit.Test

/** Whatever an app or its platform gets wrong: a typed error each, no crash, nothing lost. */
class BadInputTest {
    companion object {
        private lateinit var branch: Branch

        @BeforeClass @JvmStatic fun found() { branch = Branch() }

        @AfterClass @JvmStatic fun end() = branch.close()
    }

    @Test
    fun idsThatAreNone() {
        val replica = branch.enroll("u.pt01")
        val sheet = replica.startPatrol().document
        for (id in listOf("", " ", "null", "1234", "zz".repeat(16), "😀", "00".repeat(16) + "\n", "00".repeat(1_000))) {
            assertIs<SyncException.Invalid>(assertFailsWith<SyncException>(id) { replica.sheet(id) })
            assertIs<SyncException.Invalid>(assertFailsWith<SyncException>(id) { replica.entry(id) })
            assertIs<SyncException.Invalid>(assertFailsWith<SyncException>(id) { replica.draft(id) })
            assertFailsWith<SyncException>(id) { replica.answer(sheet, id, option("pass")) }
            assertFailsWith<SyncException>(id) { replica.answer(sheet, "pp.green.01", option(id)) }
            assertFailsWith<SyncException>(id) { replica.startSheet(id, id) }
            assertFailsWith<SyncException>(id) { replica.createEntry(id, emptyMap()) }
            assertTrue(replica.search(id).isEmpty() || id.isBlank())
        }
        assertFailsWith<SyncException.NotFound> { replica.sheet("00".repeat(16)) }
        assertFailsWith<SyncException.Invalid> { Replica.enroll("", freshDirectory().path, settings()) }
        assertFailsWith<SyncException> { Replica.open("", settings()) }
        assertFailsWith<SyncException.NotFound> { Replica.open(File(freshDirectory(), "none.xunyuan").path, settings()) }
        assertTrue(replica.sheet(sheet).sections.flatMap { it.items }.all { it.answers.isEmpty() })
        replica.shut()
    }

    @Test
    fun textsThatAreNoneAndTextsThatAreUnusual() = runBlocking {
        val replica = branch.enroll("u.pt01")
        val (file, sheet) = replica.identity().file to replica.startPatrol().document
        assertFailsWith<CharacterCodingException> { replica.note(sheet, "pp.green.01", "half \ud83d") }
        replica.shut()
        val device = Device.open(file, settings()).orThrow()
        val refused = device.ask { note(sheet, "pp.green.01", "half \ud83d") }
        assertIs<SyncException.Invalid>((refused as Outcome.Failed).error)
        assertEquals("text_invalid", refused.code)
        for (odd in listOf("🧯👩‍🚒 漏水", "\u0000", "a\u0301", "\u202eلیک", "'; DROP TABLE record; --", "𠮷野家")) {
            val noted = device.ask { note(sheet, "pp.green.01", odd) }.orThrow()
            assertEquals(odd, noted.sheet.item("pp.green.01").notes.single().text)
        }
        device.close()
    }

    @Test
    fun aNoteOfTenMegabytes() {
        val replica = branch.enroll("u.pt01")
        val sheet = replica.startPatrol().document
        val long = "水".repeat(10 * 1024 * 1024 / 3)
        assertFailsWith<SyncException.Refused> { replica.note(sheet, "pp.green.01", long) }
        assertTrue(replica.search(long).isEmpty())
        assertTrue(replica.sheet(sheet).item("pp.green.01").notes.isEmpty())
        replica.shut()
    }

    @Test
    fun datesAndNumbersFromAnotherWorld() {
        val replica = branch.enroll("u.pt01")
        val sheet = replica.startPatrol().document
        for (at in listOf(-1L, Long.MIN_VALUE, Long.MAX_VALUE, -62_135_596_800_000L)) {
            runCatching { replica.setHeader(sheet, "started_at", Value.Whole(at)) }.exceptionOrNull()
                ?.let { assertIs<SyncException>(it) }
            replica.sheet(sheet)
        }
        for (number in listOf(Double.NaN, Double.POSITIVE_INFINITY)) {
            assertFailsWith<SyncException.Invalid> { replica.answer(sheet, "pp.fire.06", AnswerInput(Value.Number(number))) }
        }
        assertFailsWith<SyncException> { replica.report(ReportRequest("rpt.none", ReportFormat.CSV)) }
        assertFailsWith<SyncException> { replica.report(ReportRequest(replica.reports().first().id, ReportFormat.CSV, period = "-1")) }
        assertTrue(replica.syncOnce(30_000u).isFinished)
        replica.shut()
    }

    @Test
    fun listenersThatFailBlockAndCallBack() {
        val replica = branch.enroll("u.pt01")
        val calls = AtomicInteger()
        val released = CountDownLatch(1)
        replica.setListener(object : Listener {
            override fun changed(documents: List<String>, everything: Boolean) {
                replica.standing()
                documents.forEach { replica.card(it) }
                if (calls.incrementAndGet() == 2) released.await(30, TimeUnit.SECONDS)
                throw IllegalStateException("an app's defect")
            }

            override fun standing(standing: Standing) = throw OutOfMemoryError("an app's defect")
        })
        val sheet = replica.startPatrol().document
        eventually("the first news") { calls.get() == 1 }
        val began = System.nanoTime()
        repeat(20) { replica.note(sheet, "pp.green.01", "第 $it 次") }
        assertTrue(replica.syncOnce(30_000u).isFinished)
        assertTrue(System.nanoTime() - began < 10_000_000_000, "nobody waits for a listener")
        eventually("the news that block") { calls.get() == 2 }
        released.countDown()
        replica.note(sheet, "pp.green.01", "末次")
        eventually("news after those") { calls.get() >= 3 }
        assertTrue(calls.get() < 20, "what piles up is told as one: ${calls.get()} calls")
        replica.shut()
    }

    @Test
    fun closedDoubleOpenedAndHeldElsewhere() {
        val replica = branch.enroll("u.pt01")
        val file = replica.identity().file
        assertFailsWith<SyncException.InUse> { Replica.open(file, settings()) }
        val held = elsewhere("held", file)
        assertEquals("InUse", held)
        // Many threads at once, and a close in the middle of them.
        val sheet = replica.startPatrol().document
        val ended = AtomicInteger()
        val threads = (1..8).map { number ->
            thread {
                try {
                    repeat(200) { replica.note(sheet, "pp.green.01", "$number-$it") }
                } catch (_: SyncException.Closed) {
                    ended.incrementAndGet()
                }
            }
        }
        Thread.sleep(200)
        replica.shut()
        threads.forEach { it.join(30_000) }
        assertEquals(8, ended.get(), "every thread hears that it is closed")
        assertFailsWith<SyncException.Closed> { replica.sheet(sheet) }
        replica.close()
        assertFailsWith<IllegalStateException> { replica.sheet(sheet) }
        val again = Replica.open(file, settings())
        assertTrue(again.sheet(sheet).item("pp.green.01").notes.single().text.isNotEmpty())
        again.shut()
    }

    @Test
    fun filesThatAreNoReplicaOrADamagedOne() {
        val directory = freshDirectory()
        val other = File(directory, "other.txt").also { it.writeText("no database") }
        assertFailsWith<SyncException.Corrupt> { Replica.open(other.path, settings()) }
        assertEquals("no database", other.readText(), "somebody else's file is left alone")
        val replica = branch.enroll("u.pt01")
        val file = File(replica.identity().file)
        replica.shut()
        file.outputStream().use { it.write("torn".repeat(4_000).toByteArray()) }
        val damaged = assertFailsWith<SyncException.Corrupt> { Replica.open(file.path, settings()) }
        assertTrue("damaged" in damaged.explain().sentence)
        assertTrue(!file.exists() && file.parentFile.list()!!.any { "damaged" in it }, "set aside, not deleted")
    }

    @Test
    fun noRoomAndNoRight() {
        val readOnly = freshDirectory()
        val small = Given.smallDisk
        assumeTrue("no small disk on this machine", small != null)
        val replica = Replica.enroll(branch.invite("u.pt01"), small!!.path, settings())
        assertTrue(replica.syncOnce(30_000u).isFinished)
        val sheet = replica.startPatrol().document
        val filler = File(small, "filler")
        filler.outputStream().use { out -> runCatching { while (true) out.write(ByteArray(4096)) } }
        val full = generateSequence(0) { it + 1 }.take(2_000)
            .firstNotNullOf { runCatching { replica.note(sheet, "pp.green.01", "第 $it 次") }.exceptionOrNull() }
        assertIs<SyncException.DiskFull>(full)
        assertFailsWith<SyncException.DiskFull> { replica.attachPhoto(sheet, "pp.green.01", picture("full").path) }
        val before = replica.sheet(sheet).item("pp.green.01").notes.map { it.text }
        filler.delete()
        assertEquals(before, replica.sheet(sheet).item("pp.green.01").notes.map { it.text }, "nothing half saved")
        replica.note(sheet, "pp.green.01", "有空间了")
        assertTrue(replica.syncOnce(30_000u).isFinished)
        replica.shut()
        // Root may write anywhere but below a file.
        val below = File(File(readOnly, "file").also { it.writeText("") }, "below").path
        assertFailsWith<SyncException.Storage> { Replica.enroll(branch.invite("u.pt01"), below, settings()) }
        val link = branch.invite("u.pt01")
        assertFailsWith<SyncException.Storage> { Replica.enroll(link, below, settings()) }
        Replica.enroll(link, freshDirectory().path, settings()).shut()
    }

    @Test
    fun networksThatAreNone() {
        val replica = branch.enroll("u.pt01")
        val sheet = replica.startPatrol().document
        val nobody = ServerSocket(0).use { it.localPort }
        replica.setNetwork(Network.FREE, "http://127.0.0.1:$nobody")
        val report = replica.syncOnce(5_000u)
        assertTrue(!report.isFinished && report.failureCode != null && report.failure!!.isNotEmpty())
        assertFailsWith<SyncException.Invalid> { replica.setNetwork(Network.FREE, "not a proxy") }
        // A server that is none.
        ServerSocket(0).use { socket ->
            thread(isDaemon = true) {
                runCatching {
                    while (true) socket.accept().use { it.getOutputStream().write("SSH-2.0-OpenSSH\r\n".toByteArray()) }
                }
            }
            replica.setNetwork(Network.FREE, "http://127.0.0.1:${socket.localPort}")
            assertTrue(replica.syncOnce(5_000u).failureCode != null)
        }
        replica.setNetwork(Network.FREE)
        assertEquals(sheet, replica.sheet(sheet).document)
        assertTrue(replica.syncOnce(30_000u).isFinished)
        val gone = Branch()
        val link = gone.invite("u.pt01")
        gone.kill()
        assertFailsWith<SyncException.NoConnection> { Replica.enroll(link, freshDirectory().path, settings()) }
        replica.shut()
    }

    private fun elsewhere(what: String, file: String): String {
        val java = File(System.getProperty("java.home"), "bin/java").path
        val line = listOf(java, "-Djna.library.path=${System.getProperty("jna.library.path")}", "-cp", System.getProperty("java.class.path"), "cn.xunyuan.Elsewhere", what, file)
        return ProcessBuilder(line).redirectErrorStream(true).start().inputStream.bufferedReader().readText().trim()
    }
}

/** Another process that wants the same file. */
object Elsewhere {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val said = try {
            Replica.open(arguments[1], Settings(app = "elsewhere/1")).shut()
            "opened"
        } catch (error: SyncException) {
            error::class.simpleName
        }
        println(said)
    }
}
